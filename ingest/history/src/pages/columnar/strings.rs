//! A Parquet file whose strings are read as the bytes that they are: some writers put into a column of
//! strings what is no UTF-8, of which one byte would end the file.

use std::fs::File;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::errors::Result;
use parquet::file::metadata::{ParquetMetaDataOptions, ParquetMetaDataReader};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// Opens a file again, of which a reader of strings knows this schema.
pub(super) fn as_bytes(file: File, known: &Schema) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let told = ParquetMetaDataReader::new().parse_and_finish(&file)?;
    let root = bare(told.file_metadata().schema_descr().root_schema_ptr())?;
    let options = ParquetMetaDataOptions::new().with_schema(Arc::new(SchemaDescriptor::new(root)));
    let metadata =
        ParquetMetaDataReader::new().with_metadata_options(Some(options)).parse_and_finish(&file)?;
    let schema = Schema::new_with_metadata(fields(known.fields()), known.metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), options)?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata))
}

/// A type whose strings are bytes.
fn bare(of: TypePtr) -> Result<TypePtr> {
    let info = of.get_basic_info();
    match of.as_ref() {
        Type::PrimitiveType { physical_type: Physical::BYTE_ARRAY, .. }
            if info.converted_type() == ConvertedType::UTF8
                || matches!(info.logical_type_ref(), Some(LogicalType::String)) =>
        {
            let bytes = Type::primitive_type_builder(info.name(), Physical::BYTE_ARRAY)
                .with_repetition(info.repetition())
                .with_id(info.has_id().then(|| info.id()));
            Ok(Arc::new(bytes.build()?))
        }
        Type::PrimitiveType { .. } => Ok(of),
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(|field| bare(Arc::clone(field))).collect::<Result<Vec<_>>>()?;
            let group = Type::group_type_builder(info.name())
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_id(info.has_id().then(|| info.id()))
                .with_fields(fields);
            let group = if info.has_repetition() { group.with_repetition(info.repetition()) } else { group };
            Ok(Arc::new(group.build()?))
        }
    }
}

fn fields(of: &Fields) -> Fields {
    of.iter().map(field).collect()
}

fn field(of: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(of).with_data_type(kind(of.data_type())))
}

fn kind(of: &DataType) -> DataType {
    match of {
        DataType::Utf8 => DataType::Binary,
        DataType::LargeUtf8 => DataType::LargeBinary,
        DataType::Utf8View => DataType::BinaryView,
        DataType::Struct(of) => DataType::Struct(fields(of)),
        DataType::List(of) => DataType::List(field(of)),
        DataType::LargeList(of) => DataType::LargeList(field(of)),
        DataType::FixedSizeList(of, size) => DataType::FixedSizeList(field(of), *size),
        DataType::Dictionary(key, of) => DataType::Dictionary(key.clone(), Box::new(kind(of))),
        other => other.clone(),
    }
}
