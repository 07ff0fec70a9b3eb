//! Forms that change something: who may send one, and that it was made for this session.

use axum::Form;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use maud::{Markup, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Visitor;
use super::gate::{Right, admitted, entitled, forged};
use crate::app::App;
use crate::problem::Problem;

/// A form and who sent it: `Signed<Operator, Stop>` is the form `Stop`, which operators alone may send.
#[derive(Debug)]
pub(crate) struct Signed<W, T> {
    pub(crate) by: W,
    pub(crate) form: T,
}

/// The field that makes a form one of this session: it stands in every form that is posted.
pub(crate) fn token_field(visitor: &Visitor) -> Markup {
    html! {
        @if let Some(token) = visitor.form_token() {
            input type="hidden" name="form_token" value=(token);
        }
    }
}

#[derive(Deserialize)]
struct OfSession {
    form_token: Option<String>,
}

impl<W: Right + Send, T: DeserializeOwned + Send> FromRequest<App> for Signed<W, T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let visitor = admitted(&parts, app).await?;
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), app)
            .await
            .map_err(|error| Problem::of_status(error.status(), error.body_text()))?;
        let again = || Request::from_parts(parts.clone(), Body::from(bytes.clone()));
        let of_session = Form::<OfSession>::from_request(again(), app).await;
        let sent = of_session.ok().and_then(|Form(of_session)| of_session.form_token);
        if !visitor.made(sent.as_deref()) {
            return Err(forged(&visitor, &parts, app).await);
        }
        let by = entitled(visitor, &parts, app).await?;
        let Form(form) = Form::<T>::from_request(again(), app)
            .await
            .map_err(|error| Problem::of_status(error.status(), error.body_text()))?;
        Ok(Self { by, form })
    }
}
