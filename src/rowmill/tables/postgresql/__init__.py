"""PostgreSQL: staging by COPY, settled in one transaction."""
