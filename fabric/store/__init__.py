"""What the fabric keeps: SQLAlchemy schema, Alembic migrations, queries (SQLite), and blobs by digest."""
