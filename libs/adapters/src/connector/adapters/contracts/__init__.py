"""What others may rely on: schemas of every topic, the AsyncAPI and OpenAPI documents, the configuration's schema."""
