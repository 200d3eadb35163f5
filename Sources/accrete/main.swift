print("accrete")
