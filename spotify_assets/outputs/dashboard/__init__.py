"""The dashboard: a local web app over the marts. It reads, and has nothing that writes."""
