print("accrete-learn")
