"""Web servers: a model as a REST service, and a study to look at in a browser.

server: a socket, who may ask, how much at once    service: REST for a model
batches: images of many requests predicted together
view: the page of a study                          images: the images of a study, by page

Nothing here writes a file. FastAPI and uvicorn come with the extra `app`.
"""
