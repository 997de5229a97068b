"""Whether what the catalogues offer keeps to its contract (`repro.contracts`)."""
