//! Runs every scenario with every store.

use std::sync::Arc;

use runner::store::{MemoryStore, SqliteStore};

use super::scenarios;
use super::values::version;
use runner::store::{AccountStore, RunStore};

macro_rules! scenarios {
    ($($name:ident)*) => {
        mod memory {
            use super::*;

            $(#[tokio::test]
            async fn $name() {
                let store = Arc::new(MemoryStore::new());
                store.begin(&[version()], &[]).await.unwrap();
                scenarios::$name(store).await;
            })*
        }

        mod sqlite {
            use super::*;

            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let store = SqliteStore::open(&folder.path().join("state.db")).await.unwrap();
                let store = Arc::new(store);
                store.begin(&[version()], &[]).await.unwrap();
                scenarios::$name(Arc::clone(&store) as Arc<dyn RunStore>).await;
                store.close().await;
            })*
        }
    };
}

scenarios! {
    keeps_versions
    removes_a_version_with_the_last_of_its_runs
    begins_runs_while_others_are_removed
    keeps_what_a_run_was_accepted_with
    accepts_a_run_once
    accepts_runs_all_or_none
    keeps_every_state_of_a_task_run
    follows_a_run_through_its_states
    takes_the_last_of_many_changes
    keeps_the_history_of_attempts
    knows_the_first_start_of_a_generation
    keeps_the_first_start_when_a_batch_is_repeated
    expands_into_items
    replaces_items_by_a_later_expansion
    forgets_items_of_the_past
    refuses_who_is_not_the_owner
    refuses_what_is_older
    takes_the_same_batch_again
    shares_a_commit_among_callers
    refuses_one_of_many_callers
    hands_runs_over_once
    hands_over_a_run_that_has_ended
    decides_all_or_none
    keeps_things_until_they_are_gone
    keeps_calls_until_they_are_answered
    starts_a_tick_once
    forgets_skipped_ticks_that_are_past
    pauses_beside_what_is_remembered
    keeps_commands_until_they_are_heard
    keeps_notices_until_they_are_settled
    knows_which_dags_fail
    holds_notices_back_that_are_too_many
    lists_runs_page_by_page
    knows_what_ended_since_and_last
    knows_the_latest_runs_of_each_dag
    knows_how_long_tasks_took
    lists_runs_by_the_beginning_of_the_id
    counts_what_happens
    knows_the_bounds_of_what_it_counts
    knows_what_is_at_work
    knows_what_others_have_begun
    finds_runs_by_a_part_of_the_id
    answers_about_unknown_runs
    survives_large_batches
}

macro_rules! accounts {
    ($($name:ident)*) => {
        mod memory_accounts {
            use super::*;

            $(#[tokio::test]
            async fn $name() {
                scenarios::$name(Arc::new(MemoryStore::new())).await;
            })*
        }

        mod sqlite_accounts {
            use super::*;

            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let store = SqliteStore::open(&folder.path().join("state.db")).await.unwrap();
                let store = Arc::new(store);
                scenarios::$name(Arc::clone(&store) as Arc<dyn AccountStore>).await;
                store.close().await;
            })*
        }
    };
}

accounts! {
    keeps_accounts_by_name
    takes_nobody_for_somebody_else
    keeps_what_lets_in
    forgets_what_has_expired
    lets_one_of_many_use_a_link
    keeps_deeds_in_their_order
    keeps_the_first_claim
}
