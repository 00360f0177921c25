"""A page to paint the hole and see the fill, and the same as an HTTP API, by Gradio (the extra ``[web]``)."""
