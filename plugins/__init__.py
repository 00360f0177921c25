"""The project's own plugins, one folder a paper's method; each comes in by the same door as a third party's."""
