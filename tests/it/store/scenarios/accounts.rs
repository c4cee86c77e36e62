//! Who may come in, and what was done.

use std::sync::Arc;

use chrono::TimeDelta;
use runner::store::{
    Access, AccessKind, Account, AccountStore, Claim, Deed, Role, Scope, StoreError,
};

use crate::store::values::at;

fn account(name: &str, role: Role) -> Account {
    Account {
        name: name.to_owned(),
        role,
        password: None,
        created: at(0),
        subject: None,
    }
}

fn known(name: &str, subject: &str) -> Account {
    Account {
        subject: Some(format!("https://login.example.org {subject}")),
        ..account(name, Role::Viewer)
    }
}

fn access(id: &str, kind: AccessKind, account: &str, seconds: i64) -> Access {
    Access {
        id: id.to_owned(),
        kind,
        account: account.to_owned(),
        label: format!("label of {id}"),
        scopes: None,
        hash: "0".repeat(64),
        created: at(seconds),
        expires: None,
        seen: None,
    }
}

fn ids(accesses: &[Access]) -> Vec<&str> {
    accesses.iter().map(|access| access.id.as_str()).collect()
}

pub async fn keeps_accounts_by_name(store: Arc<dyn AccountStore>) {
    assert_eq!(store.accounts().await.unwrap(), []);
    assert_eq!(store.account("ana").await.unwrap(), None);
    for name in ["zoe", "ana", "Ben"] {
        store
            .put_account(&account(name, Role::Viewer))
            .await
            .unwrap();
    }
    let names: Vec<String> = store
        .accounts()
        .await
        .unwrap()
        .into_iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(names, ["Ben", "ana", "zoe"]);
    let later = Account {
        role: Role::Admin,
        password: Some("$argon2id$…".to_owned()),
        created: at(9),
        ..account("ana", Role::Viewer)
    };
    store.put_account(&later).await.unwrap();
    let ana = store.account("ana").await.unwrap().unwrap();
    assert_eq!(
        ana,
        Account {
            created: at(0),
            ..later
        },
        "it is as old as it was"
    );
    assert!(store.remove_account("ana").await.unwrap());
    assert!(!store.remove_account("ana").await.unwrap());
    assert_eq!(store.account("ana").await.unwrap(), None);
}

pub async fn takes_nobody_for_somebody_else(store: Arc<dyn AccountStore>) {
    store
        .put_account(&account("ana", Role::Admin))
        .await
        .unwrap();
    let seven = known("ana@example.org", "7");
    store.put_account(&seven).await.unwrap();
    let subject = seven.subject.clone().unwrap();
    assert_eq!(
        store.account_of(&subject).await.unwrap(),
        Some(seven.clone())
    );
    assert_eq!(store.account_of("").await.unwrap(), None);
    for (what, other) in [
        (
            "another subject of the same name",
            known("ana@example.org", "8"),
        ),
        (
            "an account of our own of the same name",
            account("ana@example.org", Role::Admin),
        ),
        (
            "a subject of the name of an account of our own",
            known("ana", "9"),
        ),
        (
            "the same subject by another name",
            known("ana2@example.org", "7"),
        ),
        (
            "the same subject by the name of an account of our own",
            known("ana", "7"),
        ),
    ] {
        let name = other.name.clone();
        let put = store.put_account(&other).await;
        assert_eq!(put, Err(StoreError::NameTaken(name)), "{what}");
    }
    let operator = Account {
        role: Role::Operator,
        ..seven
    };
    store.put_account(&operator).await.unwrap();
    assert_eq!(
        store.accounts().await.unwrap(),
        [account("ana", Role::Admin), operator]
    );
    store.remove_account("ana@example.org").await.unwrap();
    assert_eq!(store.account_of(&subject).await.unwrap(), None);
    store
        .put_account(&known("ana2@example.org", "7"))
        .await
        .unwrap();
}

pub async fn keeps_what_lets_in(store: Arc<dyn AccountStore>) {
    let nobody = access("a", AccessKind::Token, "ana", 0);
    let put = store.put_access(&nobody).await;
    assert_eq!(put, Err(StoreError::UnknownAccount("ana".to_owned())));
    for name in ["ana", "ben"] {
        store
            .put_account(&account(name, Role::Viewer))
            .await
            .unwrap();
    }
    let token = Access {
        scopes: Some(vec![Scope::Read, Scope::Run]),
        expires: Some(at(1000) + TimeDelta::microseconds(7)),
        seen: Some(at(1)),
        ..access("c", AccessKind::Token, "ana", 3)
    };
    let none = Access {
        scopes: Some(Vec::new()),
        ..access("d", AccessKind::Token, "ana", 3)
    };
    store.put_access(&token).await.unwrap();
    store.put_access(&none).await.unwrap();
    store
        .put_access(&access("b", AccessKind::Token, "ben", 5))
        .await
        .unwrap();
    store
        .put_access(&access("s", AccessKind::Session, "ana", 4))
        .await
        .unwrap();
    let found = store.access("c").await.unwrap();
    assert_eq!(found, Some((token, account("ana", Role::Viewer))));
    assert_eq!(store.access("x").await.unwrap(), None);
    let all = store.accesses(AccessKind::Token, None).await.unwrap();
    assert_eq!(ids(&all), ["b", "c", "d"], "the newest first");
    assert_eq!(all[2], none);
    let of_ana = store
        .accesses(AccessKind::Token, Some("ana"))
        .await
        .unwrap();
    assert_eq!(ids(&of_ana), ["c", "d"]);

    assert!(store.remove_access("b").await.unwrap());
    assert!(!store.remove_access("b").await.unwrap(), "exactly once");
    store
        .remove_accesses("ana", AccessKind::Token)
        .await
        .unwrap();
    assert_eq!(store.accesses(AccessKind::Token, None).await.unwrap(), []);
    assert!(
        store.access("s").await.unwrap().is_some(),
        "of another kind"
    );
    store.remove_account("ana").await.unwrap();
    assert_eq!(store.access("s").await.unwrap(), None);
}

pub async fn forgets_what_has_expired(store: Arc<dyn AccountStore>) {
    store
        .put_account(&account("ana", Role::Viewer))
        .await
        .unwrap();
    let until = |id: &str, seconds| Access {
        expires: Some(at(seconds)),
        ..access(id, AccessKind::Session, "ana", 0)
    };
    for (id, seconds) in [("a", 10), ("b", 11), ("c", 5)] {
        store.put_access(&until(id, seconds)).await.unwrap();
    }
    // It is told also when it has expired: whoever asks compares.
    assert!(store.access("c").await.unwrap().is_some());
    store.see_access("c", at(4), Some(at(20))).await.unwrap();
    store.see_access("a", at(6), None).await.unwrap();
    store.see_access("x", at(6), None).await.unwrap();
    let seen = store.access("a").await.unwrap().unwrap().0;
    assert_eq!((seen.seen, seen.expires), (Some(at(6)), Some(at(10))));
    store
        .put_access(&access("d", AccessKind::Token, "ana", 11))
        .await
        .unwrap();
    let left = store.accesses(AccessKind::Session, None).await.unwrap();
    assert_eq!(ids(&left), ["b", "c"]);
}

pub async fn lets_one_of_many_use_a_link(store: Arc<dyn AccountStore>) {
    store
        .put_account(&account("ana", Role::Viewer))
        .await
        .unwrap();
    store
        .put_access(&access("l", AccessKind::Link, "ana", 0))
        .await
        .unwrap();
    let tries = (0..16).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.remove_access("l").await.unwrap() })
    });
    let mut used = 0;
    for one in tries.collect::<Vec<_>>() {
        used += usize::from(one.await.unwrap());
    }
    assert_eq!(used, 1);
}

pub async fn keeps_deeds_in_their_order(store: Arc<dyn AccountStore>) {
    assert_eq!(store.deeds(None, 9).await.unwrap(), []);
    let deed = |n: u16| Deed {
        number: 0,
        at: at(i64::from(9 - n)),
        account: "ana".to_owned(),
        via: "session 1".to_owned(),
        address: "::1".to_owned(),
        action: "POST /runs/{run}/cancel".to_owned(),
        target: format!("/runs/{n}/cancel"),
        status: 200 + n,
        detail: "ünïcödé \u{0}".to_owned(),
    };
    for n in 0..5 {
        store.add_deed(&deed(n)).await.unwrap();
    }
    let latest = store.deeds(None, 2).await.unwrap();
    let statuses = |deeds: &[Deed]| deeds.iter().map(|it| it.status).collect::<Vec<_>>();
    assert_eq!(statuses(&latest), [204, 203]);
    let before = store.deeds(Some(latest[1].number), 9).await.unwrap();
    assert_eq!(statuses(&before), [202, 201, 200]);
    assert_eq!(
        Deed {
            number: 0,
            ..before[0].clone()
        },
        deed(2)
    );
    assert_eq!(store.deeds(None, 0).await.unwrap(), []);
    // They outlive whom they are about.
    store
        .put_account(&account("ana", Role::Viewer))
        .await
        .unwrap();
    store.remove_account("ana").await.unwrap();
    assert_eq!(store.deeds(None, 9).await.unwrap().len(), 5);
}

pub async fn keeps_the_first_claim(store: Arc<dyn AccountStore>) {
    let claim = |account: &str, key: &str, run: &str, seconds| Claim {
        account: account.to_owned(),
        key: key.to_owned(),
        fingerprint: format!("of {run}"),
        run: run.to_owned(),
        at: at(seconds),
    };
    let first = claim("ana", "k", "one", 0);
    assert_eq!(store.claim(&first, at(-10)).await.unwrap(), first);
    let again = claim("ana", "k", "two", 1);
    assert_eq!(store.claim(&again, at(-10)).await.unwrap(), first);
    for other in [claim("ben", "k", "three", 1), claim("ana", "K", "four", 1)] {
        assert_eq!(store.claim(&other, at(-10)).await.unwrap(), other);
    }
    assert_eq!(
        store.claim(&again, at(0)).await.unwrap(),
        first,
        "not older"
    );
    assert_eq!(
        store.claim(&again, at(1)).await.unwrap(),
        again,
        "forgotten"
    );
}
