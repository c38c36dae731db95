//! What is measured beside training: no gradient passes these.

mod center_columns;
mod column_std;
mod knn_vote;
mod label_rank;
mod row_norm;

pub use center_columns::CenterColumns;
pub use column_std::ColumnStd;
pub use knn_vote::KnnVote;
pub use label_rank::LabelRank;
pub use row_norm::RowNorm;

use super::check::Case;

pub(super) fn cases() -> Vec<Case> {
    [center_columns::cases(), column_std::cases(), knn_vote::cases(), label_rank::cases(), row_norm::cases()].concat()
}
