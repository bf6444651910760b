package fact

// Customer is the kind of a fact that tells of a customer and of no contact with the
// centre, such as an item of customer data that is kept by email or phone. Alone it is
// no reason to write to anybody.
const Customer Kind = "customer"
