"""What ``inpaintx evaluate`` is made of: protocol, units of work, summary, report."""
