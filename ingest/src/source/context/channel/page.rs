//! The address of a page, of which only the host and some parameters are read.

use url::{Url, form_urlencoded};

use super::{clicks, told};

/// What the address of a page tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) host: Option<String>,
    pub(super) source: Option<String>,
    pub(super) medium: Option<String>,
    pub(super) campaign: Option<String>,
    pub(super) click: Option<clicks::Click>,
}

impl Page {
    /// Reads an address, which may lack its host. Of a parameter that is there twice the first one counts; of
    /// several marks of a click Google's.
    pub(super) fn read(address: &str) -> Self {
        let mut page = Self { host: host(address), ..Self::default() };
        let parameters = address.split_once('?').map_or("", |(_, rest)| rest);
        let parameters = parameters.split_once('#').map_or(parameters, |(parameters, _)| parameters);
        for (name, value) in form_urlencoded::parse(parameters.as_bytes()) {
            let Some(value) = told(Some(&value)) else { continue };
            let field = match name.to_ascii_lowercase().as_str() {
                "utm_source" => &mut page.source,
                "utm_medium" => &mut page.medium,
                "utm_campaign" => &mut page.campaign,
                name => {
                    let click = clicks::of(name);
                    if page
                        .click
                        .is_none_or(|known| !known.is_googles && click.is_some_and(|new| new.is_googles))
                    {
                        page.click = click.or(page.click);
                    }
                    continue;
                }
            };
            field.get_or_insert(value);
        }
        page
    }
}

/// The host of an address, in lower case; also of an app's, as in `android-app://com.example`.
pub(super) fn host(address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    let host = url.host_str()?.trim_end_matches('.').to_lowercase();
    (!host.is_empty()).then_some(host)
}
