print("accrete-evaluate")
