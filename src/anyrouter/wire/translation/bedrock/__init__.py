"""Amazon Bedrock's Converse, as an upstream only, to and from the form."""
