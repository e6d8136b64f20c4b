"""An agent beside every kind of failing endpoint at once: memory, descriptors, threads and children stay flat."""
