print("accrete-extract")
