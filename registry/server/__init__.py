"""The registry over HTTP: static files, a JSON API in the spirit of PEP 691, and pages for people."""
