"""One module for each resource of the API. In: a `request.calls.Call`. Out: a response, or `http.problem.Refused`."""
