//! In and out: by name and password, by a link that works once.

use serde_json::json;

use super::audit::{Entry, Phase, write};
use super::sessions::{self, Pass};
use super::token::Token;
use super::{Access, Limited, Peer, Role, Visitor, tickets};
use crate::problem::Problem;

const USER: &str = "select role, password from ops.console_user where name = $1 and disabled_at is null";
/// The user as it was when the password was checked; one who was disabled or has another password since is
/// not let in.
const STILL: &str =
    "select from ops.console_user where name = $1 and disabled_at is null and password = $2 and role = $3";

/// What came of an attempt to get in.
pub(crate) enum Attempt {
    /// A session has begun.
    In(Token),
    /// Wrong, used up, or disabled: which of them is not said.
    Refused,
    /// Too often.
    Limited(Limited),
}

impl Access {
    /// Begins a session by name and password.
    pub(crate) async fn sign_in(
        &self,
        Peer(address): Peer,
        name: &str,
        password: String,
        before: Option<&Token>,
    ) -> Result<Attempt, Problem> {
        let refused = |why: &str| {
            Entry::of_stranger(name, "sign-in", Phase::Refused, json!({ "why": why, "address": address }))
        };
        if let Err(limited) = self.limits.address(address).and_then(|()| self.limits.name(name)) {
            self.audit_refusal(&refused("too many attempts")).await;
            return Ok(Attempt::Limited(limited));
        }
        let user = self.with_connection(async |client| client.query_opt(USER, &[&name]).await).await?;
        let user: Option<(String, Option<String>)> = user.map(|row| (row.get(0), row.get(1)));
        let hash = user.as_ref().and_then(|(_, hash)| hash.clone());
        let matched = self.passwords.check(password, hash).await;
        let user =
            user.filter(|_| matched).and_then(|(role, hash)| Some((role.parse::<Role>().ok()?, hash?)));
        let Some((role, hash)) = user else {
            self.audit_refusal(&refused("wrong")).await;
            return Ok(Attempt::Refused);
        };
        let done = Entry { role: role.word(), ..refused("") };
        let done =
            Entry { phase: Phase::Done, detail: json!({ "by": "password", "address": address }), ..done };
        let begun = self.with_connection(async |client| {
            let transaction = client.transaction().await?;
            if transaction.query_opt(STILL, &[&name, &hash, &role.word()]).await?.is_none() {
                return Ok(None);
            }
            let token = sessions::begin(&transaction, name, role, before).await?;
            write(&transaction, &done).await?;
            transaction.commit().await?;
            Ok(Some(token))
        });
        Ok(self.begun(begun.await?, before))
    }

    /// Begins a session by a link, which is used up.
    pub(crate) async fn enter(
        &self,
        Peer(address): Peer,
        ticket: &str,
        before: Option<&Token>,
    ) -> Result<Attempt, Problem> {
        let refused = |why: &str| {
            Entry::of_stranger("", "sign-in", Phase::Refused, json!({ "why": why, "address": address }))
        };
        if let Err(limited) = self.limits.address(address) {
            self.audit_refusal(&refused("too many attempts")).await;
            return Ok(Attempt::Limited(limited));
        }
        let ticket = Token::sent(ticket);
        let begun = self.with_connection(async |client| {
            let Some(ticket) = ticket else { return Ok(None) };
            let transaction = client.transaction().await?;
            let Some((name, role)) = tickets::take(&transaction, &ticket).await? else { return Ok(None) };
            let token = sessions::begin(&transaction, &name, role, before).await?;
            let detail = json!({ "by": "link", "address": address });
            let entry = Entry::of_stranger(&name, "sign-in", Phase::Done, detail);
            write(&transaction, &Entry { role: role.word(), ..entry }).await?;
            transaction.commit().await?;
            Ok(Some(token))
        });
        let begun = begun.await?;
        if begun.is_none() {
            self.audit_refusal(&refused("no such link")).await;
        }
        Ok(self.begun(begun, before))
    }

    fn begun(&self, token: Option<Token>, before: Option<&Token>) -> Attempt {
        let Some(token) = token else { return Attempt::Refused };
        if let Some(before) = before {
            self.sessions.end(&Pass::of_session(before.digest()));
        }
        Attempt::In(token)
    }

    /// Ends a session: here at once, and in PostgreSQL.
    pub(crate) async fn sign_out(&self, visitor: &Visitor) -> Result<(), Problem> {
        self.sessions.end(visitor.pass());
        self.with_connection(async |client| {
            let transaction = client.transaction().await?;
            sessions::end(&transaction, visitor.pass()).await?;
            write(&transaction, &Entry::of(visitor, "sign-out", Phase::Done)).await?;
            transaction.commit().await
        })
        .await
    }
}
