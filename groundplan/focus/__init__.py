"""What was billed, read from FOCUS exports: columns, questions, and the report that finance reads."""
