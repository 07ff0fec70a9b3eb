//! Forms that change something: who may send one, and that it was made for this session.

use axum::Form;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use maud::{Markup, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::gate::{Right, admitted, entitled, forged};
use super::{Guarded, Visitor};
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

impl<S: Guarded, W: Right + Send, T: DeserializeOwned + Send> FromRequest<S> for Signed<W, T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let access = state.access();
        let (parts, body) = request.into_parts();
        let visitor = admitted(&parts, access).await?;
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state)
            .await
            .map_err(|error| Problem::of_status(error.status(), error.body_text()))?;
        let again = || Request::from_parts(parts.clone(), Body::from(bytes.clone()));
        let of_session = Form::<OfSession>::from_request(again(), state).await;
        let sent = of_session.ok().and_then(|Form(of_session)| of_session.form_token);
        if !visitor.made(sent.as_deref()) {
            return Err(forged(&visitor, &parts, access).await);
        }
        let by = entitled(visitor, &parts, access).await?;
        let Form(form) = Form::<T>::from_request(again(), state)
            .await
            .map_err(|error| Problem::of_status(error.status(), error.body_text()))?;
        Ok(Self { by, form })
    }
}
