"""Kafka and PostgreSQL for a developer, the demo and the tests: the ones given, containers, or local processes."""
