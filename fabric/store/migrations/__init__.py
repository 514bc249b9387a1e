"""How the schema came to be, one file a step; ``open_store`` runs what is missing."""
