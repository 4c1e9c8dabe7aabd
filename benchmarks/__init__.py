"""What `make bench` measures: each experiment is one module; pages and charts are made from their numbers alone."""
