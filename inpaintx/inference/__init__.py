"""The main job's parts: faces found, methods chosen by place, detail."""
