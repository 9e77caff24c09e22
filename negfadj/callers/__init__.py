"""What meets the user: objectives and embeddings, job files and the command line, results and pictures."""
