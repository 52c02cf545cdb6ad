"""Everything outside the domain's ports: Kafka, PostgreSQL, HTTP, the vault, telemetry, and one room for each vendor."""
