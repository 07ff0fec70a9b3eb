//! Where each country lies on the tile map, and what it is called.
//!
//! Every country is one tile of the same size, so that Singapore is seen as well as Russia. Positions were
//! laid out once from the countries' middles, each as near to its own place as its neighbours leave it.

use std::sync::OnceLock;

use audit::doctor::DOCTOR_COUNTRY;
use contracts::event::UNKNOWN_COUNTRY;

/// Tiles across and down.
pub(crate) const SIZE: (usize, usize) = (30, 20);

/// The map, west to east and north to south.
const MAP: &str = "\
.  .  .  .  .  .  .  .  .  GL .  .  .  SJ NO SE FI .  .  .  .  .  .  .  .  .  .  .  .  .
.  .  .  .  .  .  .  .  .  .  IS FO GB NL DK PL AX LV EE .  .  .  .  RU .  .  .  .  .  .
.  .  .  CA .  .  .  .  .  .  IE IM BE LU DE CZ SK LT BY .  .  .  .  .  .  .  .  .  .  .
.  .  .  .  .  .  .  .  PM .  .  GG JE LI AT SI HU RO MD UA .  .  KZ .  MN .  .  .  .  .
.  .  .  .  .  .  .  .  .  .  .  ES FR CH SM HR ME RS BG GE AM AZ UZ KG .  .  KP .  .  .
.  .  .  .  US .  .  .  .  .  .  PT AD MC IT BA AL MK TR SY IQ TM TJ .  .  .  KR JP .  .
.  .  .  .  .  BS TC BM .  .  .  MA GI TN VA MT GR CY PS LB KW IR AF NP CN .  .  .  .  .
.  .  .  MX CU HT VG MF AI .  EH .  .  DZ .  LY .  EG IL JO BH QA PK BD BT HK TW .  .  .
.  .  .  .  KY DO PR SX BL AG .  MR .  .  .  .  .  .  .  SA AE OM IN MM LA MO .  .  UM .
.  .  .  GT BZ JM VI KN MS GP CV SN ML .  NE TD .  .  SD ER YE .  .  .  TH VN .  MP .  .
.  .  .  SV HN NI CW DM LC MQ GM GN BF BJ .  .  .  .  .  DJ .  .  .  .  KH .  PH GU .  .
.  .  .  .  CR AW BQ GD VC BB GW SL GH TG NG .  .  .  SS ET .  .  .  LK .  .  PW .  MH .
.  .  .  .  PA CO VE TT GY GF .  LR CI .  GQ CM CF .  UG .  SO .  MV .  MY BN .  .  FM KI
TK .  .  .  .  EC .  .  SR .  .  .  .  ST GA CG CD BI RW KE .  SC .  .  SG ID .  .  NR .
WF AS .  .  .  PE .  .  .  BR .  .  .  .  .  AO .  .  TZ KM .  .  IO .  CC CX TL PG SB TV
WS NU PF .  .  .  BO .  .  .  .  SH .  .  .  .  .  ZM MW MZ YT MU .  .  .  .  .  .  VU FJ
TO CK PN .  .  .  .  .  PY .  .  .  .  .  .  NA BW ZW SZ .  MG RE .  .  .  .  AU .  NC .
.  .  .  .  .  .  CL AR UY .  .  .  .  .  .  .  ZA LS .  .  .  .  .  .  .  .  .  .  NF .
.  .  .  .  .  .  .  .  FK .  .  .  .  .  .  .  .  .  .  .  .  .  TF .  .  .  .  .  .  NZ
.  .  .  .  .  .  .  .  .  GS .  .  AQ BV .  .  .  .  .  .  .  .  HM .  .  .  .  .  .  .
";

/// A country of ISO 3166.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Alpha-2.
    pub(crate) code: &'static str,
    /// From the left.
    pub(crate) column: usize,
    /// From the top.
    pub(crate) row: usize,
}

/// Every tile, row by row.
pub(crate) fn tiles() -> &'static [Tile] {
    static TILES: OnceLock<Vec<Tile>> = OnceLock::new();
    TILES.get_or_init(|| {
        let row = |(row, line): (usize, &'static str)| {
            let codes = line.split(' ').filter(|code| !code.is_empty()).enumerate();
            codes.filter(|(_, code)| *code != ".").map(move |(column, code)| Tile { code, column, row })
        };
        MAP.lines().enumerate().flat_map(row).collect()
    })
}

/// What a country is called; its code where nobody knows it.
pub(crate) fn name(code: &str) -> &str {
    match NAMES.binary_search_by_key(&code, |(code, _)| code) {
        Ok(found) => NAMES[found].1,
        Err(_) if code == UNKNOWN_COUNTRY.as_str() => "unknown country",
        // The code by which the doctor's probes pass through the line.
        Err(_) if code == DOCTOR_COUNTRY => "probe of the doctor",
        Err(_) => code,
    }
}

/// ISO 3166-1, by code.
const NAMES: &[(&str, &str)] = &[
    ("AD", "Andorra"),
    ("AE", "United Arab Emirates"),
    ("AF", "Afghanistan"),
    ("AG", "Antigua and Barbuda"),
    ("AI", "Anguilla"),
    ("AL", "Albania"),
    ("AM", "Armenia"),
    ("AO", "Angola"),
    ("AQ", "Antarctica"),
    ("AR", "Argentina"),
    ("AS", "American Samoa"),
    ("AT", "Austria"),
    ("AU", "Australia"),
    ("AW", "Aruba"),
    ("AX", "Åland Islands"),
    ("AZ", "Azerbaijan"),
    ("BA", "Bosnia and Herzegovina"),
    ("BB", "Barbados"),
    ("BD", "Bangladesh"),
    ("BE", "Belgium"),
    ("BF", "Burkina Faso"),
    ("BG", "Bulgaria"),
    ("BH", "Bahrain"),
    ("BI", "Burundi"),
    ("BJ", "Benin"),
    ("BL", "Saint Barthélemy"),
    ("BM", "Bermuda"),
    ("BN", "Brunei"),
    ("BO", "Bolivia"),
    ("BQ", "Caribbean Netherlands"),
    ("BR", "Brazil"),
    ("BS", "Bahamas"),
    ("BT", "Bhutan"),
    ("BV", "Bouvet Island"),
    ("BW", "Botswana"),
    ("BY", "Belarus"),
    ("BZ", "Belize"),
    ("CA", "Canada"),
    ("CC", "Cocos Islands"),
    ("CD", "Congo (Kinshasa)"),
    ("CF", "Central African Republic"),
    ("CG", "Congo (Brazzaville)"),
    ("CH", "Switzerland"),
    ("CI", "Côte d'Ivoire"),
    ("CK", "Cook Islands"),
    ("CL", "Chile"),
    ("CM", "Cameroon"),
    ("CN", "China"),
    ("CO", "Colombia"),
    ("CR", "Costa Rica"),
    ("CU", "Cuba"),
    ("CV", "Cabo Verde"),
    ("CW", "Curaçao"),
    ("CX", "Christmas Island"),
    ("CY", "Cyprus"),
    ("CZ", "Czechia"),
    ("DE", "Germany"),
    ("DJ", "Djibouti"),
    ("DK", "Denmark"),
    ("DM", "Dominica"),
    ("DO", "Dominican Republic"),
    ("DZ", "Algeria"),
    ("EC", "Ecuador"),
    ("EE", "Estonia"),
    ("EG", "Egypt"),
    ("EH", "Western Sahara"),
    ("ER", "Eritrea"),
    ("ES", "Spain"),
    ("ET", "Ethiopia"),
    ("FI", "Finland"),
    ("FJ", "Fiji"),
    ("FK", "Falkland Islands"),
    ("FM", "Micronesia"),
    ("FO", "Faroe Islands"),
    ("FR", "France"),
    ("GA", "Gabon"),
    ("GB", "United Kingdom"),
    ("GD", "Grenada"),
    ("GE", "Georgia"),
    ("GF", "French Guiana"),
    ("GG", "Guernsey"),
    ("GH", "Ghana"),
    ("GI", "Gibraltar"),
    ("GL", "Greenland"),
    ("GM", "Gambia"),
    ("GN", "Guinea"),
    ("GP", "Guadeloupe"),
    ("GQ", "Equatorial Guinea"),
    ("GR", "Greece"),
    ("GS", "South Georgia"),
    ("GT", "Guatemala"),
    ("GU", "Guam"),
    ("GW", "Guinea-Bissau"),
    ("GY", "Guyana"),
    ("HK", "Hong Kong"),
    ("HM", "Heard and McDonald Islands"),
    ("HN", "Honduras"),
    ("HR", "Croatia"),
    ("HT", "Haiti"),
    ("HU", "Hungary"),
    ("ID", "Indonesia"),
    ("IE", "Ireland"),
    ("IL", "Israel"),
    ("IM", "Isle of Man"),
    ("IN", "India"),
    ("IO", "British Indian Ocean Territory"),
    ("IQ", "Iraq"),
    ("IR", "Iran"),
    ("IS", "Iceland"),
    ("IT", "Italy"),
    ("JE", "Jersey"),
    ("JM", "Jamaica"),
    ("JO", "Jordan"),
    ("JP", "Japan"),
    ("KE", "Kenya"),
    ("KG", "Kyrgyzstan"),
    ("KH", "Cambodia"),
    ("KI", "Kiribati"),
    ("KM", "Comoros"),
    ("KN", "Saint Kitts and Nevis"),
    ("KP", "North Korea"),
    ("KR", "South Korea"),
    ("KW", "Kuwait"),
    ("KY", "Cayman Islands"),
    ("KZ", "Kazakhstan"),
    ("LA", "Laos"),
    ("LB", "Lebanon"),
    ("LC", "Saint Lucia"),
    ("LI", "Liechtenstein"),
    ("LK", "Sri Lanka"),
    ("LR", "Liberia"),
    ("LS", "Lesotho"),
    ("LT", "Lithuania"),
    ("LU", "Luxembourg"),
    ("LV", "Latvia"),
    ("LY", "Libya"),
    ("MA", "Morocco"),
    ("MC", "Monaco"),
    ("MD", "Moldova"),
    ("ME", "Montenegro"),
    ("MF", "Saint Martin"),
    ("MG", "Madagascar"),
    ("MH", "Marshall Islands"),
    ("MK", "North Macedonia"),
    ("ML", "Mali"),
    ("MM", "Myanmar"),
    ("MN", "Mongolia"),
    ("MO", "Macao"),
    ("MP", "Northern Mariana Islands"),
    ("MQ", "Martinique"),
    ("MR", "Mauritania"),
    ("MS", "Montserrat"),
    ("MT", "Malta"),
    ("MU", "Mauritius"),
    ("MV", "Maldives"),
    ("MW", "Malawi"),
    ("MX", "Mexico"),
    ("MY", "Malaysia"),
    ("MZ", "Mozambique"),
    ("NA", "Namibia"),
    ("NC", "New Caledonia"),
    ("NE", "Niger"),
    ("NF", "Norfolk Island"),
    ("NG", "Nigeria"),
    ("NI", "Nicaragua"),
    ("NL", "Netherlands"),
    ("NO", "Norway"),
    ("NP", "Nepal"),
    ("NR", "Nauru"),
    ("NU", "Niue"),
    ("NZ", "New Zealand"),
    ("OM", "Oman"),
    ("PA", "Panama"),
    ("PE", "Peru"),
    ("PF", "French Polynesia"),
    ("PG", "Papua New Guinea"),
    ("PH", "Philippines"),
    ("PK", "Pakistan"),
    ("PL", "Poland"),
    ("PM", "Saint Pierre and Miquelon"),
    ("PN", "Pitcairn"),
    ("PR", "Puerto Rico"),
    ("PS", "Palestine"),
    ("PT", "Portugal"),
    ("PW", "Palau"),
    ("PY", "Paraguay"),
    ("QA", "Qatar"),
    ("RE", "Réunion"),
    ("RO", "Romania"),
    ("RS", "Serbia"),
    ("RU", "Russia"),
    ("RW", "Rwanda"),
    ("SA", "Saudi Arabia"),
    ("SB", "Solomon Islands"),
    ("SC", "Seychelles"),
    ("SD", "Sudan"),
    ("SE", "Sweden"),
    ("SG", "Singapore"),
    ("SH", "Saint Helena"),
    ("SI", "Slovenia"),
    ("SJ", "Svalbard and Jan Mayen"),
    ("SK", "Slovakia"),
    ("SL", "Sierra Leone"),
    ("SM", "San Marino"),
    ("SN", "Senegal"),
    ("SO", "Somalia"),
    ("SR", "Suriname"),
    ("SS", "South Sudan"),
    ("ST", "São Tomé and Príncipe"),
    ("SV", "El Salvador"),
    ("SX", "Sint Maarten"),
    ("SY", "Syria"),
    ("SZ", "Eswatini"),
    ("TC", "Turks and Caicos Islands"),
    ("TD", "Chad"),
    ("TF", "French Southern Territories"),
    ("TG", "Togo"),
    ("TH", "Thailand"),
    ("TJ", "Tajikistan"),
    ("TK", "Tokelau"),
    ("TL", "Timor-Leste"),
    ("TM", "Turkmenistan"),
    ("TN", "Tunisia"),
    ("TO", "Tonga"),
    ("TR", "Türkiye"),
    ("TT", "Trinidad and Tobago"),
    ("TV", "Tuvalu"),
    ("TW", "Taiwan"),
    ("TZ", "Tanzania"),
    ("UA", "Ukraine"),
    ("UG", "Uganda"),
    ("UM", "U.S. Minor Outlying Islands"),
    ("US", "United States"),
    ("UY", "Uruguay"),
    ("UZ", "Uzbekistan"),
    ("VA", "Vatican City"),
    ("VC", "Saint Vincent and the Grenadines"),
    ("VE", "Venezuela"),
    ("VG", "British Virgin Islands"),
    ("VI", "U.S. Virgin Islands"),
    ("VN", "Vietnam"),
    ("VU", "Vanuatu"),
    ("WF", "Wallis and Futuna"),
    ("WS", "Samoa"),
    ("YE", "Yemen"),
    ("YT", "Mayotte"),
    ("ZA", "South Africa"),
    ("ZM", "Zambia"),
    ("ZW", "Zimbabwe"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_country_has_one_tile_and_no_tile_has_two() {
        let codes: Vec<&str> = tiles().iter().map(|tile| tile.code).collect();
        let named: BTreeSet<&str> = NAMES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), 249);
        assert_eq!(codes.iter().copied().collect::<BTreeSet<_>>(), named);
        let places: BTreeSet<_> = tiles().iter().map(|tile| (tile.row, tile.column)).collect();
        assert_eq!(places.len(), codes.len());
        assert!(tiles().iter().all(|tile| tile.column < SIZE.0 && tile.row < SIZE.1));
        assert_eq!(MAP.lines().count(), SIZE.1);
    }

    #[test]
    fn names_are_found_by_code() {
        assert!(NAMES.is_sorted_by_key(|(code, _)| code));
        assert!(NAMES.iter().all(|(code, _)| code.len() == 2 && name(code) != *code));
        assert_eq!(name("CH"), "Switzerland");
        assert_eq!(name("XX"), "XX");
    }

    #[test]
    fn neighbours_are_where_they_are_looked_for() {
        let tile = |code: &str| *tiles().iter().find(|tile| tile.code == code).unwrap();
        for (west, east) in
            [("PT", "IT"), ("US", "FR"), ("FR", "DE"), ("DE", "UA"), ("IN", "TH"), ("CL", "BR")]
        {
            assert!(tile(west).column < tile(east).column, "{west} {east}");
        }
        for (north, south) in
            [("CA", "US"), ("US", "MX"), ("NO", "CH"), ("EG", "ZA"), ("CN", "VN"), ("AU", "NZ")]
        {
            assert!(tile(north).row < tile(south).row, "{north} {south}");
        }
    }
}
