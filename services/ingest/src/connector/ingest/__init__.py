"""ingest: receives webhooks and hands them, verified and unread, to the log; takes the OAuth callback."""
