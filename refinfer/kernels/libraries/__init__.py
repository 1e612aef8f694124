"""What vendors' libraries ask of memory where TFLM calls them: CMSIS-NN and esp-nn, kernel by kernel."""
