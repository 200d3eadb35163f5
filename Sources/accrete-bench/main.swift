print("accrete-bench")
