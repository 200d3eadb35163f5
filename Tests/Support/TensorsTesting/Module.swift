// TensorsTesting
