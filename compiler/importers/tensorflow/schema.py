"""The wire format of what is read of TensorFlow's files, as text: a field is `name number type`, `*` for repeated.

Source: tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph,trackable_object_graph,tensor_bundle,
saver}.proto and tensorflow/core/framework/*.proto. Fields that nothing here reads are left out: protobuf skips them.
"""

from __future__ import annotations

MESSAGES = """
TensorShapeProto.Dim: size 1 int64, name 2 string
TensorShapeProto: dim 2 *TensorShapeProto.Dim, unknown_rank 3 bool
TensorProto: dtype 1 int32, tensor_shape 2 TensorShapeProto, tensor_content 4 bytes, half_val 13 *int32,
  float_val 5 *float, double_val 6 *double, int_val 7 *int32, string_val 8 *bytes, scomplex_val 9 *float,
  int64_val 10 *int64, bool_val 11 *bool, dcomplex_val 12 *double, uint32_val 16 *uint32, uint64_val 17 *uint64,
  float8_val 18 bytes
NameAttrList: name 1 string, attr 2 map<AttrValue>
AttrValue.ListValue: s 2 *bytes, i 3 *int64, f 4 *float, b 5 *bool, type 6 *int32, shape 7 *TensorShapeProto,
  tensor 8 *TensorProto, func 9 *NameAttrList
AttrValue: oneof value, list 1 AttrValue.ListValue, s 2 bytes, i 3 int64, f 4 float, b 5 bool, type 6 int32,
  shape 7 TensorShapeProto, tensor 8 TensorProto, placeholder 9 string, func 10 NameAttrList
NodeDef: name 1 string, op 2 string, input 3 *string, device 4 string, attr 5 map<AttrValue>
OpDef.ArgDef: name 1 string, type 3 int32, type_attr 4 string, number_attr 5 string, type_list_attr 6 string,
  is_ref 16 bool
OpDef: name 1 string, input_arg 2 *OpDef.ArgDef, output_arg 3 *OpDef.ArgDef, control_output 20 *string
FunctionDef: signature 1 OpDef, attr 5 map<AttrValue>, node_def 3 *NodeDef, ret 4 map<string>, control_ret 6 map<string>
FunctionDefLibrary: function 1 *FunctionDef
VersionDef: producer 1 int32, min_consumer 2 int32
GraphDef: node 1 *NodeDef, library 2 FunctionDefLibrary, versions 4 VersionDef
SaverDef: filename_tensor_name 1 string, save_tensor_name 2 string, restore_op_name 3 string
TensorInfo.CooSparse: values_tensor_name 1 string, indices_tensor_name 2 string, dense_shape_tensor_name 3 string
TensorInfo: name 1 string, dtype 2 int32, tensor_shape 3 TensorShapeProto, coo_sparse 4 TensorInfo.CooSparse
SignatureDef: inputs 1 map<TensorInfo>, outputs 2 map<TensorInfo>, method_name 3 string
MetaGraphDef.MetaInfoDef: tags 4 *string, tensorflow_version 5 string
SavedVariable: dtype 1 int32, shape 2 TensorShapeProto, trainable 3 bool, name 6 string
ObjectReference: node_id 1 int32, local_name 2 string
SavedObject: children 1 *ObjectReference, variable 7 SavedVariable
SavedObjectGraph: nodes 1 *SavedObject
MetaGraphDef: meta_info_def 1 MetaGraphDef.MetaInfoDef, graph_def 2 GraphDef, saver_def 3 SaverDef,
  signature_def 5 map<SignatureDef>, object_graph_def 7 SavedObjectGraph
SavedModel: saved_model_schema_version 1 int64, meta_graphs 2 *MetaGraphDef
TrackableObject.SerializedTensor: name 1 string, full_name 2 string, checkpoint_key 3 string
TrackableObject: children 1 *ObjectReference, attributes 2 *TrackableObject.SerializedTensor
TrackableObjectGraph: nodes 1 *TrackableObject
BundleHeaderProto: num_shards 1 int32, endianness 2 int32, version 3 VersionDef
TensorSliceProto.Extent: start 1 int64, length 2 int64
TensorSliceProto: extent 1 *TensorSliceProto.Extent
BundleEntryProto: dtype 1 int32, shape 2 TensorShapeProto, shard_id 3 int32, offset 4 int64, size 5 int64,
  crc32c 6 fixed32, slices 7 *TensorSliceProto
"""
"""Message by message; `map<T>` has string keys. Enums are read as int32, which is the same on the wire."""
