"""Everything outside the domain's ports: Kafka, PostgreSQL, HTTP, vault, telemetry, and one room for each vendor."""
