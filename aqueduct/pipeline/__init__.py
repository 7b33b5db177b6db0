"""The one way of a request through the gateway: resolve, admit, attempt, meter; knows no HTTP."""
