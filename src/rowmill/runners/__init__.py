"""Where partitions run, and who watches over them: claims, attempts, supervision."""
