"""Where training tasks run: one worker-pool interface, with local processes or a Dask cluster behind it."""
