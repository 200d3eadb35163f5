print("accrete-simulate")
