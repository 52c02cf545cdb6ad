"""PostgreSQL behind the domain's ports: SQLAlchemy Core on psycopg 3, Alembic migrations, one module per port."""
