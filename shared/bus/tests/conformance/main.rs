//! One suite that both carriers of the bus pass, and what only a server can do: go away, come back, lose its data.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod core;
mod durable;
mod outages;
mod pair;

/// Runs each test of the suite in memory and over NATS.
macro_rules! on_both_carriers {
    ($($room:ident::$name:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                crate::$room::$name(&crate::pair::Pair::in_memory).await;
            })*
        }
        mod over_nats {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let nats = weir_testkit::Nats::start().await;
                crate::$room::$name(&|limits| crate::pair::Pair::over_nats(&nats, limits)).await;
            })*
        }
    };
}

on_both_carriers! {
    core::wildcards_choose_subjects,
    core::a_message_arrives_as_it_was_sent,
    core::a_group_shares_its_messages,
    core::a_slow_receiver_loses_and_every_loss_is_counted,
    core::a_slow_receiver_holds_a_bounded_number_of_bytes,
    core::each_message_is_received_or_counted,
    core::a_subscription_that_is_dropped_takes_no_more,
    core::what_cannot_travel_is_refused_and_counted,
    durable::messages_come_in_order_and_acknowledged_ones_once,
    durable::headers_travel_with_durable_messages,
    durable::a_delivery_without_answer_comes_again_after_ack_wait,
    durable::a_late_acknowledgement_still_counts,
    durable::retry_after_waits_as_long_as_asked,
    durable::retry_after_for_ever_is_no_fault,
    durable::in_progress_puts_the_next_delivery_off,
    durable::a_message_comes_max_deliver_times_at_most,
    durable::a_rejected_message_does_not_come_again,
    durable::the_same_id_is_stored_once,
    durable::an_id_is_forgotten_after_the_window,
    durable::consumers_of_one_name_share_the_work,
    durable::each_name_gets_everything,
    durable::a_consumer_goes_on_where_its_name_stopped,
    durable::a_name_can_change_what_it_does,
    durable::filters_choose_messages,
    durable::no_more_are_out_than_allowed,
    durable::next_ends_when_told_to_stop,
    durable::a_call_of_next_that_is_given_up_loses_nothing,
    durable::listeners_hear_durable_messages_and_streams_keep_core_ones,
    durable::a_stream_can_change_and_none_may_take_from_another,
    durable::what_no_stream_could_keep_is_refused,
}
