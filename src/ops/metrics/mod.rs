//! What is measured beside training: no gradient passes these.

mod center_columns;
mod column_std;
mod knn_vote;
mod row_entropy;
mod row_norm;
mod topk_rank;

pub use center_columns::CenterColumns;
pub use column_std::ColumnStd;
pub use knn_vote::KnnVote;
pub use row_entropy::RowEntropy;
pub use row_norm::RowNorm;
pub use topk_rank::TopkRank;

use super::check::Case;

pub(super) fn cases() -> Vec<Case> {
    [
        center_columns::cases(),
        column_std::cases(),
        knn_vote::cases(),
        topk_rank::cases(),
        row_norm::cases(),
        row_entropy::cases(),
    ]
    .concat()
}
