pytest_plugins = ["inpaintx.benchmark"]
