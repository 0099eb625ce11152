WHERE = "beside the program"
