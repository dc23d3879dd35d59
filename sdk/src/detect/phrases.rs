//! The phrases that tell what the talk is about. The longest that fits wins: "insurance card" is no card.

use super::cues::Topic;

/// Lower case, words parted by one space, as the lexer leaves them: no hyphens, apostrophes kept.
#[rustfmt::skip] // One phrase a line would be pages.
pub(super) static PHRASES: [(Topic, &[&str]); 14] = [
    (Topic::Card, &[
        "card", "card number", "credit card", "debit card", "visa", "mastercard", "master card", "amex",
        "american express", "discover card", "the discover", "long number", "front of the card",
        "on the front",
    ]),
    (Topic::CardCode, &[
        "security code", "security number", "cvv", "cvv2", "c v v", "cv v", "cvc", "c v c", "cvc2", "cvb",
        "csc", "c s c", "c i d", "card verification", "card verification code", "verification value",
        "card code", "code", "on the back", "on back", "back of the card", "back of your card", "back of it",
        "signature strip", "signature panel", "three digit code", "four digit code on",
    ]),
    (Topic::CardExpiry, &[
        "expiration", "expiry", "expires", "expire", "expiring", "exp", "exp date", "good through",
        "good thru", "valid through", "valid thru", "valid until", "month and year",
    ]),
    (Topic::CardPin, &[
        "pin", "pin number", "p i n", "personal identification number", "pin code",
    ]),
    (Topic::LastDigits, &[
        "last four", "last 4", "ending in", "ends in", "ends with", "ending with", "ending", "last three",
        "last five", "first six", "first four",
    ]),
    (Topic::Ssn, &[
        "social", "social security", "social security number", "ssn", "s s n", "taxpayer id", "tax id",
    ]),
    (Topic::Birth, &[
        "date of birth", "birth date", "birthdate", "birthday", "born", "dob", "d o b",
    ]),
    (Topic::Address, &[
        "address", "i live", "live at", "live on", "living at", "lives at", "mail it to", "ship it to",
        "shipping to", "ship to", "send it to", "deliver it to", "delivered to", "located at", "house at",
        "moved to", "residence", "home is",
    ]),
    (Topic::Phone, &[
        "phone", "phone number", "telephone", "cell", "cell number", "mobile", "mobile number", "callback",
        "callback number", "call back number", "call me", "call me back", "call you back", "call us at",
        "call us back at", "reach me", "reach you", "contact number", "fax", "text me", "call him",
        "call her", "landline", "home number", "work number", "calling from", "dial", "best number",
    ]),
    (Topic::Bank, &[
        "routing", "routing number", "checking", "savings", "checking account", "savings account",
        "checking account number", "savings account number", "bank account", "bank account number", "iban",
        "direct deposit", "account and routing",
    ]),
    (Topic::Other, &[
        "social media", "social worker", "social security office", "social security check",
        "social security benefits", "email address", "e mail address", "ip address", "web address",
        "account number", "order", "order number", "orders", "tracking", "tracking number", "confirmation",
        "confirmation number", "confirmation code", "reference", "reference number", "case", "case number",
        "ticket", "invoice", "policy", "claim", "member id", "member number", "membership", "serial",
        "serial number", "model", "part number", "item number", "item", "sku", "promo", "promo code",
        "coupon", "discount code", "gift card", "insurance card", "library card", "medicare card", "id card",
        "green card", "business card", "report card", "sim card", "membership card", "loyalty card",
        "rewards card", "graphics card", "wild card", "post card", "video card", "sd card", "memory card",
        "birthday card", "boarding card", "score card", "health card", "zip", "zip code", "postal code",
        "area code", "extension", "flight", "badge", "employee", "prescription", "rx", "upc", "isbn", "imei",
        "vin", "meter", "frequent flyer", "transaction", "texted", "text message", "one time code",
        "one time passcode", "verification code", "access code", "gate code", "door code", "error code",
        "room", "suite", "apartment", "channel", "version", "license", "license plate", "passport",
        "appointment", "delivery", "visit", "surgery", "start date", "due", "anniversary", "loan number",
        "student id", "group number", "npi", "weight", "blood pressure", "temperature", "batch", "lot number",
        "quantity", "extension number", "check in", "departure", "arrives", "since", "purchased",
        "date of service", "effective", "admitted",
    ]),
    (Topic::Amount, &[
        "total", "balance", "amount", "price", "cost", "costs", "comes to", "comes out to", "paid", "about",
        "around", "limit", "score", "payment of", "charge of", "fee", "refund",
    ]),
    (Topic::Over, &[
        "authorization number", "authorization code", "approval code", "approval number", "went through",
        "gone through", "approved", "payment is complete", "payment complete", "authorized", "processed",
    ]),
    (Topic::Nothing, &[
        "one moment", "one second", "one sec", "one more", "one of", "one minute", "one time", "two of",
        "one thing", "one way", "no one", "to the", "to my", "to your", "for the", "for my", "for your",
        "for a", "for you", "for me",
    ]),
];
