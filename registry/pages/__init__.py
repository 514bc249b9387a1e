"""The registry's pages for people: made on the server, readable without JavaScript."""
