print("accrete-ingest")
