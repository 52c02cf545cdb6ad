"""Apache Kafka behind the log's port: FastStream consumes, confluent-kafka's own producer produces."""
