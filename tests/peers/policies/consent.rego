# The rule of `pack/`.
package consent

import rego.v1

statutes := {
	"CA": "Cal. Penal Code 632(a)",
	"CT": "Conn. Gen. Stat. 52-570d(a)",
	"DE": "Del. Code tit. 11, 1335(a)(4)",
	"FL": "Fla. Stat. 934.03(2)(d)",
	"IL": "720 ILCS 5/14-2(a)",
	"MA": "Mass. Gen. Laws ch. 272, 99(B)(4)",
	"MD": "Md. Code, Cts. & Jud. Proc. 10-402(c)(3)",
	"MI": "Mich. Comp. Laws 750.539c",
	"MT": "Mont. Code 45-8-213(1)(c)",
	"NH": "N.H. Rev. Stat. 570-A:2(I)",
	"NV": "Nev. Rev. Stat. 200.620",
	"PA": "18 Pa. Cons. Stat. 5704(4)",
	"WA": "Wash. Rev. Code 9.73.030(1)",
}

outside := {"customer", "other-party", "unknown"}

told(id) if {
	some notice in input.facts.notices
	notice.kind == "spoken"
	id in notice["heard-by"]
}

consented(id) if {
	some consent in input.facts.consents
	consent.party == id
	consent.given
}

deny contains reason if {
	some party in input.facts.parties
	outside[party.role]
	party.traits.present
	not told(party.id)
	not consented(party.id)
	some evidence in party.regions
	citation := statutes[evidence.region]
	reason := {
		"rule": "consent.all-party",
		"citation": citation,
		"message": "The consent of all parties is required, and a party has not been told.",
		"remedy": "play-announcement",
	}
}
