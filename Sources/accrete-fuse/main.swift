print("accrete-fuse")
